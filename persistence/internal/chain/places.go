package chain

import "chatbox"

// SealPlace returns the associated data of the entry's seal.
func SealPlace(tenant string, n int64) []string { return Entry{Tenant: tenant, N: n}.place() }

// PersonPlace returns the associated data of the box of a person's key.
func PersonPlace(u chatbox.UserKey) []string { return []string{"person", u.Tenant, u.ID} }
