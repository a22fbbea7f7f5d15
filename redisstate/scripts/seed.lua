-- Sets head, fold and pending turns of a session whose copy is absent or
-- behind, and publishes the head, so that every pod reads what its sockets
-- have not seen. A copy that is at least as recent stays. A lease that the new
-- state makes void is removed: a person took over, the session ended, or the
-- turn is void. If the oldest turn had been claimed, a pod may still be
-- answering it without the lost lease. Then the lease is "kept" for its TTL,
-- and the first pod that renews its lease for that turn gets it. "lt" records
-- that text of that turn may have been shown that Redis does not have.
-- KEYS  1 state  2 log  3 index  4 pieces  5 queue  6 lease  7 due
-- ARGV  1 channel  2 head  3 owner  4 sealed fold  5 held  6 ended  7 answerable from  8 state TTL ms
--       9 session member  10 lease TTL ms  11 turn that had been claimed "seq:run" or ""
--       then for each pending turn: the seq from which it counts, "seq:run"
-- RETURNS 1 if it was set, 0 if the copy stays
local head = tonumber(redis.call('HGET', KEYS[1], 'h') or '-1')
if head >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'h', ARGV[2], 'u', ARGV[3], 'f', ARGV[4], 'hold', ARGV[5], 'end', ARGV[6], 'af', ARGV[7], 'lb', 0)
redis.call('HDEL', KEYS[1], 'og', 'oa', 'oi', 'om', 'oe', 'lt')
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
if ARGV[6] ~= '1' then
  for i = 12, #ARGV, 2 do redis.call('ZADD', KEYS[5], ARGV[i], ARGV[i + 1]) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', '(' .. ARGV[7])
local turn = redis.call('HGET', KEYS[1], 'lg')
if ARGV[5] == '1' or ARGV[6] == '1' or turn and not redis.call('ZSCORE', KEYS[5], turn) then
  redis.call('DEL', KEYS[6])
end
local first = redis.call('ZRANGE', KEYS[5], 0, 0)[1]
if first and ARGV[5] ~= '1' then
  if first == ARGV[11] then
    redis.call('HSET', KEYS[1], 'lt', first)
    if redis.call('EXISTS', KEYS[6]) == 0 then
      redis.call('HSET', KEYS[1], 'lg', first)
      redis.call('SET', KEYS[6], 'kept', 'PX', ARGV[10])
    end
  end
  local t = redis.call('TIME')
  local wait = math.max(redis.call('PTTL', KEYS[6]), 0)
  redis.call('ZADD', KEYS[7], t[1] * 1000 + math.floor(t[2] / 1000) + wait, ARGV[9])
else
  redis.call('ZREM', KEYS[7], ARGV[9])
end
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('PEXPIRE', KEYS[5], ARGV[8])
redis.call('PUBLISH', ARGV[1], ARGV[2] .. '|')
return 1
