-- Copyright: Contributors to the meshlb.istio project
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Not in this build: every function says so.

return setmetatable({ TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33 }, {
  __index = function()
    return function()
      return nil, "not in this build"
    end
  end,
})
