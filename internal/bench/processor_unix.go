//go:build unix

package main

import (
	"syscall"
	"time"
)

// processor is the processor time of this process so far, of all threads.
func processor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // fails only for an invalid address
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
