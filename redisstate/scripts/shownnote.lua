-- Records what a connection was sent, or has received, of an answer.
-- KEYS  1 shown
-- ARGV  1 the connection  2 "s" about to be sent, "r" received, "c" received, and the connection has ended
--       3 "seq|run|bytes|box"  4 TTL ms
-- RETURNS 1
local t = redis.call('TIME')
local value = (t[1] * 1000 + math.floor(t[2] / 1000)) .. '|' .. ARGV[3]
if ARGV[2] == 's' then
  -- Text that was in transit when the connection ended may not have arrived.
  if redis.call('HEXISTS', KEYS[1], ARGV[1] .. ':c') == 0 then redis.call('HSET', KEYS[1], ARGV[1] .. ':s', value) end
elseif ARGV[2] == 'r' then
  redis.call('HSET', KEYS[1], ARGV[1] .. ':r', value)
else
  redis.call('HSETNX', KEYS[1], ARGV[1] .. ':r', value) -- as of when it was received
  redis.call('HSET', KEYS[1], ARGV[1] .. ':c', '1')
  redis.call('HDEL', KEYS[1], ARGV[1] .. ':s')
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
