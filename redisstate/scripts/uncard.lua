-- Removes the card of a stopping pod, unless it is another process's.
-- KEYS  1 card
-- ARGV  1 process
-- RETURNS 1 if the card is gone, 0 if it is another process's
local held = redis.call('GET', KEYS[1])
if held then
  local ok, card = pcall(cjson.decode, held)
  if ok and type(card) == 'table' and card.boot ~= ARGV[1] then return 0 end
end
redis.call('DEL', KEYS[1])
return 1
