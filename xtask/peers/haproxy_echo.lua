-- HAProxy has no echo of its own; this is the shortest service that is one.
core.register_service("echo", "tcp", function(applet)
  while true do
    local data = applet:receive(64)
    if data == nil or #data == 0 then return end
    applet:send(data)
  end
end)
