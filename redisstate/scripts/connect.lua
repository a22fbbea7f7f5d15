-- Registers a user's socket unless other live sockets have reached the cap.
-- The sockets of a crashed pod expire.
-- KEYS  1 sockets
-- ARGV  1 socket  2 cap  3 TTL ms
-- RETURNS 1, or 0 at the cap
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
