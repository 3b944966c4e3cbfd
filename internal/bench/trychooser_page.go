package main

import "testing"

func chooserPage(*testing.T, bool) {}
