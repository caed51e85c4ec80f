-- Adds an entry at the end of a stream.
-- KEYS: entries, state, ends, and the key of the idempotency key if there is one.
-- ARGV: stream, body, until (ms), most entries, most bytes, 'refuse' or 'forget', memo, memo until (ms).
if KEYS[4] then
  local memo = redis.call('GET', KEYS[4])
  if memo then
    return { 'duplicate', memo }
  end
end
local stream, body = ARGV[1], ARGV[2]
local count_max, bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])
while true do
  local state = redis.call('HMGET', KEYS[2], 'count', 'bytes')
  if (tonumber(state[1]) or 0) + 1 <= count_max and (tonumber(state[2]) or 0) + #body <= bytes_max then
    break
  end
  local oldest = ARGV[6] == 'forget' and redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  if not oldest then
    return { 'full' }
  end
  local seq = string.match(oldest[1], '^(%d+)')
  redis.call('XDEL', KEYS[1], oldest[1])
  redis.call('HINCRBY', KEYS[2], 'count', -1)
  redis.call('HINCRBY', KEYS[2], 'bytes', -#oldest[2][2])
  redis.call('HDEL', KEYS[2], 'm' .. seq)
  redis.call('ZREM', KEYS[3], seq .. ':' .. stream)
end
if KEYS[4] and tonumber(ARGV[8]) > 0 then
  redis.call('SET', KEYS[4], ARGV[7], 'PXAT', ARGV[8])
end
local seq = string.format('%.0f', redis.call('HINCRBY', KEYS[2], 'last', 1))
redis.call('XADD', KEYS[1], seq .. '-0', 'b', body)
redis.call('HINCRBY', KEYS[2], 'count', 1)
redis.call('HINCRBY', KEYS[2], 'bytes', #body)
redis.call('ZADD', KEYS[3], ARGV[3], seq .. ':' .. stream)
return { 'stored', seq }
