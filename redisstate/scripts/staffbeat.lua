-- Records which of a tenant's admins have sockets on a process, and merges the
-- stored status of each with the one that the process remembers; the later one
-- wins. So an emptied Redis is refilled, and an outdated memory undoes
-- nothing.
-- KEYS  1 connected  2 said  3 seen
-- ARGV  1 process  2 TTL ms  3 memory ms  4 longest absence that does not count, ms
--       then for each admin: name, status, said at ms (0: never), since ms (0: not known), sealed name
-- RETURNS for each admin: status, said at, since
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[3])) do
  redis.call('ZREM', KEYS[3], name)
  redis.call('HDEL', KEYS[2], name, name .. '.box')
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local known = {}
for i = 5, #ARGV, 5 do
  local name, status, said, since = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local seen = redis.call('ZSCORE', KEYS[3], name)
  local kept = redis.call('HGET', KEYS[2], name)
  if since == 0 then since = now end
  if kept then
    local word, at, from = string.match(kept, '^(%a+)|(%d+)|(%d+)$')
    if tonumber(at) > said then status, said = word, tonumber(at) end
    if seen and now - seen < tonumber(ARGV[4]) then since = math.min(since, tonumber(from)) end
  end
  local card = { status, string.format('%.0f', said), string.format('%.0f', since) }
  redis.call('HSET', KEYS[2], name, table.concat(card, '|'), name .. '.box', ARGV[i + 4])
  redis.call('ZADD', KEYS[3], now, name)
  redis.call('ZADD', KEYS[1], now + ARGV[2], name .. '@' .. ARGV[1])
  for _, v in ipairs(card) do table.insert(known, v) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return known
