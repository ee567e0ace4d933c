"""A Modbus client from pymodbus: reads COUNT holding registers from address 0 of unit 1 and prints them."""
import sys

from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient

framer, port, count = FramerType(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

with ModbusTcpClient("127.0.0.1", port=port, framer=framer, retries=0) as client:
    answer = client.read_holding_registers(0, count=count, device_id=1)
    if answer.isError():
        print("error:", answer)
    else:
        print("registers:", *(f"{register:04x}" for register in answer.registers))
