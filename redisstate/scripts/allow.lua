-- Takes back the ban of who stopped an answer, and no other's: a person may be
-- coming meanwhile, or the session's end.
-- KEYS  1 forbid
-- ARGV
-- RETURNS 1 where claims were forbidden for that alone, else 0
if redis.call('GET', KEYS[1]) ~= 'answer' then return 0 end
return redis.call('DEL', KEYS[1])
