//! A program by which one sees whether an attempt had ended before the next one began.

/// The first attempt counts for ever where others see it; the next one tells whether it still does.
pub(crate) const TWICE: &str = "\
    if [ $POD_ATTEMPT = 1 ]; then i=0; while :; do i=$((i + 1)); echo $i > /shared/count; sleep 0.02; done; fi
    before=$(cat /shared/count); sleep 0.5; [ \"$before\" = \"$(cat /shared/count)\" ] || echo overlap
    echo done";
