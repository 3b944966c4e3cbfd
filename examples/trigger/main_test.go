package main

func Example() {
	main()
	// Output:
	// 4 runs to trigger
	// 19 nothing linux64/opt/xpcshell-1 0
	// 18 build linux64/opt/build 1
	// 18 wait linux64/opt/xpcshell-1 2
	// 17 trigger linux64/opt/xpcshell-1 1
	// 0 runs to trigger
	// 19 nothing linux64/opt/xpcshell-1 0
	// 18 nothing linux64/opt/xpcshell-1 0
	// 17 nothing linux64/opt/xpcshell-1 0
}
