-- Sets head and fold of a session whose copy is absent or behind, and tells
-- every pod the head so that it re-reads what its sockets have not seen. A
-- copy that is as far or farther stays as it is. A lease that outlived what the
-- head says (a person took over, the session ended, the turn is void) goes.
-- KEYS  1 state  2 log  3 index  4 pieces  5 queue  6 lease
-- ARGV  1 channel  2 head  3 owner  4 sealed fold  5 held  6 ended  7 answerable from  8 state TTL ms
-- RETURNS 1 when it was set, 0 when it stays
local head = tonumber(redis.call('HGET', KEYS[1], 'h') or '-1')
if head >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'h', ARGV[2], 'u', ARGV[3], 'f', ARGV[4], 'hold', ARGV[5], 'end', ARGV[6], 'af', ARGV[7], 'lb', 0)
redis.call('HDEL', KEYS[1], 'og', 'oa', 'oi', 'om', 'oe')
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', '(' .. ARGV[7])
if ARGV[6] == '1' then redis.call('DEL', KEYS[5]) end
local turn = redis.call('HGET', KEYS[1], 'lg')
if ARGV[5] == '1' or ARGV[6] == '1' or turn and not redis.call('ZSCORE', KEYS[5], turn) then
  redis.call('DEL', KEYS[6])
end
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('PUBLISH', ARGV[1], ARGV[2] .. '|')
return 1
