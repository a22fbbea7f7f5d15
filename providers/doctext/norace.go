//go:build !race

package doctext

// raceDetector reports whether the program is built with the race detector.
const raceDetector = false
