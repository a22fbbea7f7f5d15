-- Reserves a free session id for a user for a while, unless another user has
-- it.
-- KEYS  1 reserve
-- ARGV  1 user  2 TTL ms
-- RETURNS the user who has the reservation
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
