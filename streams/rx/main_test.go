package rx

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// crashEnv is the variable that names a crash. A process that has it runs the crash
// instead of the tests.
const crashEnv = "FLUXWIRE_TEST_RX_CRASH"

func TestMain(m *testing.M) {
	name := os.Getenv(crashEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	for _, c := range crashes {
		if c.name == name {
			c.run()
			// The panic comes on another goroutine, within microseconds.
			time.Sleep(10 * time.Second)
		}
	}
	fmt.Println("nothing happened")
	os.Exit(0)
}
