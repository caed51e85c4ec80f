-- Writes a note if it still says what it was.
-- KEYS: the note, or the hash of its topic.
-- ARGV: what it was, what it shall be, and its name if it is in a hash.
local name = ARGV[3]
local is
if name then
  is = redis.call('HGET', KEYS[1], name)
else
  is = redis.call('GET', KEYS[1])
end
if is ~= ARGV[1] then
  return 0
end
if name then
  redis.call('HSET', KEYS[1], name, ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
end
return 1
