-- Drops the copy of a session whose fold this pod cannot decrypt; the history
-- seeds it again. Head, fold, hot log, open answer and lease are removed in
-- one step. Pending turns stay and are due again soon. A copy that was
-- replaced meanwhile stays.
-- KEYS  1 state  2 log  3 index  4 pieces  5 queue  6 lease  7 due
-- ARGV  1 the fold that cannot be decrypted  2 session member  3 due again in ms
-- RETURNS 1 if it was dropped, else 0
if (redis.call('HGET', KEYS[1], 'f') or '') ~= ARGV[1] then return 0 end
local pending = redis.call('EXISTS', KEYS[5]) == 1
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[6])
if pending then
  local t = redis.call('TIME')
  redis.call('ZADD', KEYS[7], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[3], ARGV[2])
end
return 1
