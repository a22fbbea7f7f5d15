-- Stores an admin's status with a time later than that of any earlier status.
-- KEYS  1 connected  2 said  3 seen
-- ARGV  1 name  2 status  3 sealed name  4 memory ms  5 longest absence that does not count, ms
--       6 time of the earlier status that the process remembers, ms
-- RETURNS said at ms, since
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local said, since = math.max(now, ARGV[6] + 1), now
local seen = redis.call('ZSCORE', KEYS[3], ARGV[1])
local kept = redis.call('HGET', KEYS[2], ARGV[1])
if kept then
  local _, at, from = string.match(kept, '^(%a+)|(%d+)|(%d+)$')
  said = math.max(said, at + 1)
  if seen and now - seen < tonumber(ARGV[5]) then since = tonumber(from) end
end
local card = { ARGV[2], string.format('%.0f', said), string.format('%.0f', since) }
redis.call('HSET', KEYS[2], ARGV[1], table.concat(card, '|'), ARGV[1] .. '.box', ARGV[3])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return { card[2], card[3] }
