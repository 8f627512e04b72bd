-- Copyright: Contributors to the meshlb.istio project
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Not in this build: every function says so.

return setmetatable({}, {
  __index = function()
    return function()
      return nil, "not in this build"
    end
  end,
})
