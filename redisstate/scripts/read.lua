-- Stores how far a user has read a session and notifies all pods. The position
-- never moves back.
-- KEYS  1 state
-- ARGV  1 channel  2 encoded user  3 seq  4 sender  5 sealed message
-- RETURNS "ok" | "old": the user has read that far already | "beyond": there is no such event
--         | "empty": Redis has no copy of the session
local v = redis.call('HMGET', KEYS[1], 'h', 'rd')
if not v[1] then return 'empty' end
local seq = tonumber(ARGV[3])
if seq > tonumber(v[1]) then return 'beyond' end
local notes = v[2] and cjson.decode(v[2]) or {}
local had = notes[ARGV[2]]
if had and tonumber(string.match(had, '^%d+')) >= seq then return 'old' end
notes[ARGV[2]] = ARGV[3] .. ':' .. ARGV[4]
redis.call('HSET', KEYS[1], 'rd', cjson.encode(notes))
redis.call('PUBLISH', ARGV[1], '0|' .. ARGV[5])
return 'ok'
