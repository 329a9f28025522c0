#!/bin/sh
# The host gives this machine its kernel arguments, so there is no boot loader to change: what a config asks for
# must already be there.
status=0
while [ $# -gt 1 ]; do
    case " $(cat /proc/cmdline) " in
        *" $2 "*) there=yes ;;
        *) there=no ;;
    esac
    if [ "$1" = --should-exist ] && [ $there = no ]; then
        echo "kernel argument '$2' should be there and is not"
        status=1
    elif [ "$1" = --should-not-exist ] && [ $there = yes ]; then
        echo "kernel argument '$2' should not be there and is"
        status=1
    fi
    shift 2
done
exit $status
