package main

func Example() {
	main()
	// Output:
	// last good autoland 17 a1c0178dce4c, first bad autoland 20 d4f36da69657
	// 19 trigger 2 between last good 17 and first bad 20; 0 of 2 runs (1 coalesced)
	// 18 trigger 2 between last good 17 and first bad 20; 0 of 2 runs
}
