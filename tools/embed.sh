#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/embed.sh DIST OUT.S: the built page as assembly that includes each file, compressed, with a table of
# {path, bytes, end}. The table's form is struct page_asset of src/api/page.c.
set -eu
dist=$1 out=$2
work=$(dirname "$out")/page
rm -rf "$work"; mkdir -p "$work"
table="$work/table"; : > "$table"
{
    echo '    .section .rodata'
    n=0
    for file in $(cd "$dist" && find . -type f ! -name '*.map' | LC_ALL=C sort); do
        path=${file#.}
        gzip -9nc "$dist/$file" > "$work/$n.gz"
        echo "page_path_$n: .asciz \"$path\""
        echo "    .balign 16"
        echo "page_data_$n: .incbin \"$work/$n.gz\""
        echo "page_end_$n:"
        echo "    .quad page_path_$n, page_data_$n, page_end_$n" >> "$table"
        n=$((n + 1))
    done
    echo '    .section .data.rel.ro, "aw"'
    echo '    .balign 8'
    echo '    .globl page_assets'
    echo 'page_assets:'
    cat "$table"
    echo '    .quad 0, 0, 0'
    echo '    .section .note.GNU-stack,"",%progbits'
} > "$out.tmp"
mv "$out.tmp" "$out"
