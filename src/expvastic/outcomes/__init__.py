"""What becomes of a container once it is offered: pure state and sums."""
