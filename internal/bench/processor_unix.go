//go:build unix

package main

import (
	"syscall"
	"time"
)

// processor is how long this process has worked, on all threads.
func processor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // only for what is no address
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
