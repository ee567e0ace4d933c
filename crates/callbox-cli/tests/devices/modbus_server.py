"""A Modbus device from pymodbus: unit 1, holding registers 0 to 9 with 0xA000 to 0xA009; its framer is argument 1."""
import asyncio
import sys

from pymodbus import FramerType
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer


async def serve(framer):
    # A block's address 1 is what a request calls address 0.
    registers = ModbusSequentialDataBlock(1, [0xA000 + address for address in range(10)])
    context = ModbusServerContext(devices={1: ModbusDeviceContext(hr=registers)}, single=False)
    server = ModbusTcpServer(context, framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    print("ready", server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(serve(FramerType(sys.argv[1])))
