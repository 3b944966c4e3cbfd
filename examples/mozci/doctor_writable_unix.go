//go:build linux || darwin || freebsd || netbsd || openbsd

package main

import "syscall"

// writable reports whether files can be made in a folder, as the system says it: none is
// made to know it.
func writable(dir string) bool {
	const write, search = 2, 1
	return syscall.Access(dir, write|search) == nil
}
