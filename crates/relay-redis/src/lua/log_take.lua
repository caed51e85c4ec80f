-- Takes an entry out of a stream; with more keys, adds another to the end of a second stream.
-- KEYS: entries, state, ends, and of the second stream: entries, state.
-- ARGV: stream, number, and of the second stream: its name, body, until (ms).
local id = ARGV[2] .. '-0'
local found = redis.call('XRANGE', KEYS[1], id, id)[1]
if not found then
  return ''
end
redis.call('XDEL', KEYS[1], id)
redis.call('HINCRBY', KEYS[2], 'count', -1)
redis.call('HINCRBY', KEYS[2], 'bytes', -#found[2][2])
redis.call('HDEL', KEYS[2], 'm' .. ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2] .. ':' .. ARGV[1])
if not KEYS[4] then
  return ARGV[2]
end
local body = ARGV[4]
local seq = string.format('%.0f', redis.call('HINCRBY', KEYS[5], 'last', 1))
redis.call('XADD', KEYS[4], seq .. '-0', 'b', body)
redis.call('HINCRBY', KEYS[5], 'count', 1)
redis.call('HINCRBY', KEYS[5], 'bytes', #body)
redis.call('ZADD', KEYS[3], ARGV[5], seq .. ':' .. ARGV[3])
return seq
