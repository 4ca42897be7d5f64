package rx

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// crashEnv names the crash that this process is to run instead of the tests.
const crashEnv = "FLUXWIRE_TEST_RX_CRASH"

func TestMain(m *testing.M) {
	name := os.Getenv(crashEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	for _, c := range crashes {
		if c.name == name {
			c.run()
			// The end comes on another goroutine, some microseconds from here.
			time.Sleep(10 * time.Second)
		}
	}
	fmt.Println("nothing happened")
	os.Exit(0)
}
