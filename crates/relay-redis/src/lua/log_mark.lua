-- Notes something about an entry and moves its end.
-- KEYS: state, ends.
-- ARGV: stream, number, mark, until (ms).
local member = ARGV[2] .. ':' .. ARGV[1]
if not redis.call('ZSCORE', KEYS[2], member) then
  return 0
end
redis.call('HSET', KEYS[1], 'm' .. ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], member)
return 1
