package main

func Example() {
	main()
	// Output:
	// failed on autoland 20 d4f36da69657: 1 run to trigger
	// left out 18 between last good 17 and first bad 20; not testable: nothing is scheduled on it
	// failed on autoland 19 c3e2e60b498f: 0 runs to trigger
	// left out 18 mozci triggered the runs on c3e2e60b498f: unattended backfill does not act on its own runs
}
