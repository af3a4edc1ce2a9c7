#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/embed.sh DIST OUT.S NAME: a folder (the built page, the boards) as assembly that includes each file, compressed, with a
# table NAME_assets of {path, bytes, end}. The table's form is struct page_asset of src/api/page.c and board_asset of boards.c.
set -eu
dist=$1 out=$2 name=$3
work=$(dirname "$out")/$name
rm -rf "$work"; mkdir -p "$work"
table="$work/table"; : > "$table"
{
    echo '    .section .rodata'
    n=0
    for file in $(cd "$dist" && find . -type f ! -name '*.map' | LC_ALL=C sort); do
        path=${file#.}
        gzip -9nc "$dist/$file" > "$work/$n.gz"
        echo "${name}_path_$n: .asciz \"$path\""
        echo "    .balign 16"
        echo "${name}_data_$n: .incbin \"$work/$n.gz\""
        echo "${name}_end_$n:"
        echo "    .quad ${name}_path_$n, ${name}_data_$n, ${name}_end_$n" >> "$table"
        n=$((n + 1))
    done
    echo '    .section .data.rel.ro, "aw"'
    echo '    .balign 8'
    echo "    .globl ${name}_assets"
    echo "${name}_assets:"
    cat "$table"
    echo '    .quad 0, 0, 0'
    echo '    .section .note.GNU-stack,"",%progbits'
} > "$out.tmp"
mv "$out.tmp" "$out"
