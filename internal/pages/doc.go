// Package pages checks the fenced blocks of this repository's Markdown pages: it
// compiles or runs every one, and compares what a program prints with what the page
// says. The comments of kinds say what each info string means.
//
// [CheckGo] needs the go command alone. [CheckShell] runs the blocks that need a
// shell and other programs. Together they check every block.
package pages
