import { useParams } from "react-router";
import { getOutboxMail } from "../api/outbox";
import { date } from "../ui/format";
import { Loaded, useLoad } from "../ui/load";
import { Page } from "../ui/page";

export default function OutboxMailPage() {
  const { mailId = "" } = useParams();
  const load = useLoad(() => getOutboxMail(mailId), [mailId]);
  return (
    <Page title={load.data?.subject || "Mail"} crumbs={[{ to: "/outbox", text: "Outbox" }]}>
      <Loaded load={load} what="Loading the mail">
        {(mail) => (
          <>
            <dl className="v-facts">
              <div>
                <dt>To</dt>
                <dd>{mail.to}</dd>
              </div>
              <div>
                <dt>Date</dt>
                <dd>{date(mail.date)}</dd>
              </div>
            </dl>
            <div className="v-block">
              <pre tabIndex={0} role="region" aria-label="Text of the mail">
                {withLinks(mail.text.trim())}
              </pre>
            </div>
            {/* The HTML is not shown: here it would have the rights of the console. */}
            {mail.html && <p className="v-small">Mail programs show this mail formatted.</p>}
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** Text whose web addresses can be followed; in a new tab, since leaving the page ends the session. */
function withLinks(text: string) {
  return text.split(/(https?:\/\/[^\s<>"]+)/).map((part, place) =>
    place % 2 === 0 ? (
      part
    ) : (
      <a key={place} href={part} target="_blank" rel="noopener noreferrer">
        {part}
      </a>
    ),
  );
}
