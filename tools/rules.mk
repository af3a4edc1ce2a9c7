# Set-up, tests and packaging. The compile rules and the layer table are in the Makefile.

toolchain:
	@true
.PHONY: toolchain
