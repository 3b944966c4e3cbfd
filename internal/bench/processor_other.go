//go:build !unix

package main

import "time"

var began = time.Now()

// processor returns clock time, because this system does not tell the processor time.
func processor() time.Duration { return time.Since(began) }
