-- Lists a tenant's admins with sockets on a live process.
-- KEYS  1 connected  2 said  3 seen
-- ARGV
-- RETURNS for each: name, 'status|said at|since', sealed name
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local listed, out = {}, {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')) do
  local name = string.match(member, '^[^@]*')
  local kept = redis.call('HMGET', KEYS[2], name, name .. '.box')
  if kept[1] and kept[2] and not listed[name] then
    listed[name] = true
    for _, v in ipairs({ name, kept[1], kept[2] }) do table.insert(out, v) end
  end
end
return out
