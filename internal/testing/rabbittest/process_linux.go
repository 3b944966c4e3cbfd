package rabbittest

import "syscall"

// ownProcess makes the broker end with whoever started it, however that ends.
func ownProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
