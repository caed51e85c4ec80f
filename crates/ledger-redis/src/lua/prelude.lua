-- Shared by every script. The rules are those of tollwire-ledger's core; a property test keeps both equal.
--
-- Each script reads and checks everything before its first write: an error raised later would leave the earlier
-- writes in place. Numbers are doubles here, exact up to MAX, and written as plain digits.

local MAX = 9007199254740991
local REOPEN_WINDOW = 30000
local REVERSE_WINDOW = 30000
local ATTEMPTS_MAX = 16

local function corrupt(what)
  error({ err = 'CORRUPT ' .. what .. ' is not readable' })
end

local function int(text, what)
  if type(text) ~= 'string' or #text > 16 or not string.find(text, '^%d+$') then corrupt(what) end
  local number = tonumber(text)
  if number > MAX then corrupt(what) end
  return number
end

local function digits(number)
  return string.format('%.0f', number)
end

-- The caller's time, or, when it gives none, this server's.
local function time()
  if ARGV[1] ~= '' then return int(ARGV[1], 'now') end
  local time = redis.call('TIME')
  return int(time[1], 'time') * 1000 + math.floor(int(time[2], 'time') / 1000)
end

local now = time()

local function deadline(millis)
  return math.min(now + millis, MAX)
end

local function fields(key)
  local flat = redis.call('HGETALL', key)
  local found = {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return #flat > 0 and found or nil
end

-- A session as it stands now: holds that are over are listed, not counted.
local function session_at(key)
  local found = fields(key)
  if not found then return nil end
  local s = { key = key, goods = found.goods, holds = {}, over = {}, held = 0, holding = 0 }
  for name, value in pairs(found) do
    if string.sub(name, 1, 2) == 'h:' then
      local units, till = string.match(value, '^(%d+) (%d+)$')
      units, till = int(units, 'hold'), int(till, 'hold')
      if till > now then
        s.holds[string.sub(name, 3)] = { units = units, till = till }
        s.held, s.holding = s.held + units, s.holding + 1
      else
        table.insert(s.over, name)
      end
    end
  end
  for _, name in ipairs({ 'bought', 'captured', 'refunded', 'expired', 'deposited', 'gas', 'till', 'revision' }) do
    s[name] = int(found[name], name)
  end
  if found.revoked ~= '0' and found.revoked ~= '1' then corrupt('revoked') end
  if not s.goods or not found.head then corrupt('session') end
  s.revoked = found.revoked == '1'
  s.remaining = s.bought - (s.captured + s.held + s.refunded + s.expired)
  if s.remaining < 0 then corrupt('balance') end
  return s
end

local function stream_at(key, id)
  local text = redis.call('HGET', key, id)
  if not text then return nil end
  local posted, fence, first, posted_at, reopened, reversed, live =
    string.match(text, '^(%d+) (%d+) (%d+) (%S+) ([01]) ([01]) (%S+)$')
  if not posted then corrupt('stream') end
  if posted_at ~= '-' then int(posted_at, 'stream') end
  return {
    posted = int(posted, 'stream'),
    fence = int(fence, 'stream'),
    first = int(first, 'stream'),
    posted_at = posted_at,
    reopened = reopened == '1',
    reversed = reversed == '1',
    live = live ~= '-' and int(live, 'stream') or 0,
  }
end

local function new_stream(fence)
  return {
    posted = 0, fence = fence, first = now, posted_at = '-', reopened = false, reversed = false, live = 0,
  }
end

local function save_stream(key, id, st)
  local text = table.concat({
    digits(st.posted), digits(st.fence), digits(st.first), st.posted_at, st.reopened and '1' or '0',
    st.reversed and '1' or '0', st.live > 0 and digits(st.live) or '-',
  }, ' ')
  redis.call('HSET', key, id, text)
end

local function payment_at(key)
  local p = fields(key)
  if not p then return nil end
  if not (p.intent and p.head and p.terms and p.goods and p.plain and p.recorded) then corrupt('payment') end
  if p.fate ~= 'pending' and p.fate ~= 'credited' and p.fate ~= 'abandoned' then corrupt('fate') end
  p.count = int(p.attempts, 'attempts')
  return p
end

-- The journal can take a line, the set of live streams an entry: asked before the first write.
local function check_journal(key)
  redis.call('LLEN', key)
end

local function check_live(key)
  redis.call('ZCARD', key)
end

-- Keeps the set of live streams as the stream says; entries that are over go.
local function save_live(key, id, st)
  if st.live > 0 then redis.call('ZADD', key, digits(st.live), id) else redis.call('ZREM', key, id) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', digits(now))
end

local function journal(key, kind, units, stream, payment)
  redis.call('RPUSH', key, table.concat({ digits(now), kind, digits(units), stream or '-', payment or '-' }, ' '))
end

-- Removes what is over. The first write of every script that writes to a session: a later write may use the same names.
local function sweep(s)
  for i = 1, #s.over, 1000 do
    redis.call('HDEL', s.key, unpack(s.over, i, math.min(i + 999, #s.over)))
  end
  s.over = {}
end

-- Answers that show how things stand; to the others the caller needs no rows.
local SHOWS = { done = true, replayed = true, held = true }

-- The answer: its name, the time, how the session and the payment stand, and up to three numbers.
local function answer(name, s, payment_key, first, second, third)
  if s then sweep(s) end
  local session = s and SHOWS[name] and redis.call('HGETALL', s.key) or {}
  local payment = payment_key and redis.call('HGETALL', payment_key) or {}
  return { name, digits(now), session, payment, digits(first or 0), digits(second or 0), digits(third or 0) }
end
