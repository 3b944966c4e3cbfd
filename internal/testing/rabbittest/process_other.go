//go:build !linux

package rabbittest

import "syscall"

// ownProcess leaves the broker to Close.
func ownProcess() *syscall.SysProcAttr { return nil }
