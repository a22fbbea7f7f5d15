//go:build !unix

package devstack

// lockFolder does nothing on systems without flock.
func lockFolder(string, string) (release func() error, err error) {
	return func() error { return nil }, nil
}
