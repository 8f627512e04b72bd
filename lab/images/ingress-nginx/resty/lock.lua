-- Copyright: Contributors to the meshlb.istio project
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Plain stand-in: a lock in a shared dictionary that is never waited for.

local Lock = {}
Lock.__index = Lock

function Lock.new(_, dictionary, options)
  return setmetatable({ store = ngx.shared[dictionary], options = options or {} }, Lock)
end

function Lock:lock(key)
  if not self.store:add(key, true, self.options.exptime or 30) then
    return nil, "timeout"
  end
  self.key = key
  return 0
end

function Lock:unlock()
  if not self.key then
    return nil, "unlocked"
  end
  self.store:delete(self.key)
  self.key = nil
  return 1
end

return Lock
