-- Takes the lease from whoever has it and forbids claims a while, so that the
-- caller can close the answer in the log. From here on no piece is accepted.
-- KEYS  1 state  2 lease  3 forbid  4 pieces
-- ARGV  1 forbid TTL ms
-- RETURNS {open generation or "", attempt, index, open card, [sealed pieces]}
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[1])
local v = redis.call('HMGET', KEYS[1], 'og', 'oa', 'oi', 'om')
if not v[1] then return {'', '', '', '', {}} end
return {v[1], v[2], v[3], v[4] or '', redis.call('LRANGE', KEYS[4], 0, -1)}
