-- Counts one frame against a limit over an exact sliding window. Counting the
-- same nonce again changes nothing.
-- KEYS  1 rate
-- ARGV  1 nonce of the frame  2 limit  3 window ms
-- RETURNS 0 if it is within the limit, else the ms until it would be
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1]) == 0 then return 0 end
local window = tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[2]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  redis.call('ZREM', KEYS[1], ARGV[1])
  return math.max(1, oldest + window - now)
end
redis.call('PEXPIRE', KEYS[1], window)
return 0
