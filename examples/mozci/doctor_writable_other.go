//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package main

import "os"

// writable reports whether files can be made in a folder, by its mode alone: none is made
// to know it.
func writable(dir string) bool {
	const byOwner = 0o200
	info, err := os.Stat(dir)
	return err == nil && info.Mode().Perm()&byOwner != 0
}
