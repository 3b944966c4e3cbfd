//go:build !unix

package main

import "time"

var began = time.Now()

// processor stands in where no system says how long a process has worked.
func processor() time.Duration { return time.Since(began) }
