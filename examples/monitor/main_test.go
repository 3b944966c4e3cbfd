package main

func Example() {
	main()
	// Output:
	// 00:30 18 coalesced into a run of another push
	// 00:30 18 its run was coalesced into one of another push
	// 00:30 19 failed
	// 00:30 19 failed 1 of 1 run; 2 more runs will show whether it is permanent
	// 00:31 18 queued
	// 00:31 19 queued
	// 00:31 19 queued
	// 00:35 18 started
	// 00:35 19 started
	// 00:35 19 started
	// 01:05 18 passed
	// 01:05 18 1 of 1 run passed
	// 01:05 19 failed
	// 01:05 19 failed
	// 01:05 19 failed 3 of 3 runs
}
