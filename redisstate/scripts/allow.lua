-- Lifts the ban that was set to stop an answer, and no other ban: a takeover
-- or the session's end may have set its own meanwhile.
-- KEYS  1 forbid
-- ARGV
-- RETURNS 1 if that ban was lifted, else 0
if redis.call('GET', KEYS[1]) ~= 'answer' then return 0 end
return redis.call('DEL', KEYS[1])
