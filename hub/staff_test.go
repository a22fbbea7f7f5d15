package hub

import (
	"testing"
	"testing/synctest"

	"chatbox"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNotify_OnlyAdminsOfTheTenantWhoAreStillAdmins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		admins := []string{chatbox.RoleChatAdmin}
		enter := func(id chatbox.ConnID, tenant string, roles []string) (*Conn, *websocket.Conn) {
			server, ws := pipe(t)
			c := NewConn(server, id, chatbox.Actor{Tenant: tenant, UserID: string(id), Roles: roles}, h.Config(), h.Metrics())
			h.Add(c)
			t.Cleanup(func() { _ = server.Close(); _ = ws.Close() })
			return c, ws
		}
		become := func(c *Conn, roles []string) {
			a := c.Actor()
			a.Roles = roles
			require.NoError(t, c.Renew(a))
			h.Regard(c)
		}
		agent, heard := enter("agent", "a", admins)
		user, _ := enter("user", "a", nil)
		other, _ := enter("other", "b", admins)
		assert.Equal(t, 1, h.Notify("a", []byte("x")))
		_, text, err := heard.ReadMessage()
		require.NoError(t, err)
		assert.Equal(t, "x", string(text))
		assert.Zero(t, h.Notify("", []byte("x")))
		var all []chatbox.ConnID
		h.EachAdmin(func(c *Conn) { all = append(all, c.ID()) })
		assert.ElementsMatch(t, []chatbox.ConnID{"agent", "other"}, all, "of all tenants")

		become(user, admins)
		become(agent, nil)
		become(agent, nil)
		assert.Equal(t, 1, h.Notify("a", []byte("y")), "a newer credential counts")
		h.Remove(user)
		h.Regard(user) // a credential that comes while the socket goes
		assert.Zero(t, h.Notify("a", []byte("z")))
		h.Remove(agent)
		h.Remove(other)
		assert.Empty(t, h.staff, "nothing is left behind")
	})
}

func TestStaff_IsEachAdminOnceAndChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil)
		stirred := func() bool {
			select {
			case <-h.StaffChanged():
				return true
			default:
				return false
			}
		}
		enter := func(id chatbox.ConnID, user string, roles ...string) *Conn {
			server, ws := pipe(t)
			c := NewConn(server, id, chatbox.Actor{Tenant: "a", UserID: user, Name: "Name of " + user, Roles: roles}, h.Config(), h.Metrics())
			h.Add(c)
			t.Cleanup(func() { _ = server.Close(); _ = ws.Close() })
			return c
		}
		assert.Empty(t, h.Staff())
		user := enter("1", "ann")
		viewer := enter("2", "vic", chatbox.RoleChatViewer)
		assert.False(t, stirred(), "neither may help")
		assert.Empty(t, h.Staff())
		one, two := enter("3", "ada", chatbox.RoleAdmin), enter("4", "ada", chatbox.RoleChatAdmin)
		assert.True(t, stirred())
		require.Len(t, h.Staff(), 1)
		assert.Equal(t, "Name of ada", h.Staff()[0].Name)
		h.Remove(user)
		h.Remove(viewer)
		assert.False(t, stirred())
		h.Remove(one)
		assert.True(t, stirred())
		assert.Len(t, h.Staff(), 1)
		h.Remove(two)
		assert.True(t, stirred())
		assert.Empty(t, h.Staff())
	})
}
