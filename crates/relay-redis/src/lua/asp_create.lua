-- Begins a session, unless there is one.
-- KEYS: head. ARGV: hash of nothing, content, kept until (ms).
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'seq', 0, 'hash', ARGV[1], 'first', 1, 'content', ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1
