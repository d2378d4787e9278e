#pragma once

#include "bench/jobs.h"

namespace narae::bench {

/// Does the job for another process, on standard input and output as bench/pytorch/train_step.py does: prepares it,
/// warms up (`warm_up` steps more; negative: as many as the job asks for), prints `ready <number>`, then answers
/// `run N`, `memory` and `flops` (of a step).
void be_peer(const Job& job, int warm_up);

}  // namespace narae::bench
