// Package buildinfo says which build of Fluxwire is running.
package buildinfo

import (
	"runtime"
	"runtime/debug"
)

const module = "github.com/fluxwire-go/fluxwire"

// An Info describes a build. A field that is not known is empty.
type Info struct {
	Version  string // of the module: "v1.2.3", a pseudo-version, or "(devel)"
	Revision string // of the repository, if the program was built in it
	Time     string // of the revision, in RFC 3339
	Modified bool   // whether the working tree differed from the revision
	Go       string // the version of Go
	OS, Arch string
}

// Read returns what the linker recorded in the running program.
func Read() Info {
	info, _ := debug.ReadBuildInfo()
	return read(info)
}

// read returns what info, which may be nil, says about the module. Its revision is
// known only if the module is the program's own: in a dependency, the recorded
// revision is that of the program.
func read(info *debug.BuildInfo) Info {
	build := Info{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info == nil {
		return build
	}
	if info.Main.Path != module {
		for _, dep := range info.Deps {
			if dep.Path == module {
				if dep.Replace != nil {
					dep = dep.Replace
				}
				build.Version = dep.Version
			}
		}
		return build
	}
	build.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			build.Revision = s.Value
		case "vcs.time":
			build.Time = s.Value
		case "vcs.modified":
			build.Modified = s.Value == "true"
		}
	}
	return build
}
