// Package trychooser says what can run on a push, and chooses from it.
package trychooser
